//! An independent implementation reads what is written here, and writes what is read here.

use proptest::prelude::*;
use rtcp_types::{Compound, Packet, prelude::*};

use super::{
    DlrrBlock, FirEntry, ReportBlock, RtcpPacket, RtcpPackets, TwccHead, XrBlock,
    tests::{any_arrivals, any_block, any_info, instants, write},
};
use crate::ntp::NtpTime;

/// The only packet of a compound, as the other implementation reads it.
fn theirs(compound: &[u8]) -> Packet<'_> {
    let mut packets = Compound::parse(compound).expect("valid framing");
    let packet = packets.next().expect("a packet").expect("a valid one");
    assert!(packets.next().is_none());
    packet
}

fn ours(compound: &[u8]) -> RtcpPacket<'_> {
    RtcpPackets::new(compound)
        .next()
        .expect("a packet")
        .expect("a valid one")
}

fn encode(packet: &impl RtcpPacketWriter) -> Vec<u8> {
    let mut buf = vec![0; packet.calculate_size().expect("a valid packet")];
    packet.write_into(&mut buf).expect("room");
    buf
}

/// The other implementation has no negative losses.
fn unsigned(blocks: Vec<ReportBlock>) -> Vec<ReportBlock> {
    let positive = |block: ReportBlock| ReportBlock {
        cumulative_lost: block.cumulative_lost & 0x007f_ffff,
        ..block
    };
    blocks.into_iter().map(positive).collect()
}

fn their_block(block: &rtcp_types::ReportBlock<'_>) -> ReportBlock {
    ReportBlock {
        ssrc: block.ssrc(),
        fraction_lost: block.fraction_lost(),
        cumulative_lost: block.cumulative_lost().cast_signed(),
        highest_sequence_number: block.extended_sequence_number(),
        jitter: block.interarrival_jitter(),
        last_sr: block.last_sender_report_timestamp(),
        delay_since_last_sr: block.delay_since_last_sender_report_timestamp(),
    }
}

fn block_builder(block: ReportBlock) -> rtcp_types::ReportBlockBuilder {
    rtcp_types::ReportBlock::builder(block.ssrc)
        .fraction_lost(block.fraction_lost)
        .cumulative_lost(block.cumulative_lost.cast_unsigned())
        .extended_sequence_number(block.highest_sequence_number)
        .interarrival_jitter(block.jitter)
        .last_sender_report_timestamp(block.last_sr)
        .delay_since_last_sender_report_timestamp(block.delay_since_last_sr)
}

proptest! {
    #[test]
    fn sender_reports(info in any_info(), blocks in prop::collection::vec(any_block(), 0..32).prop_map(unsigned)) {
        let compound = write(|writer| writer.sender_report(info, blocks.iter().copied()));
        let Packet::Sr(report) = theirs(&compound) else { panic!("another type") };
        prop_assert_eq!((report.ssrc(), report.ntp_timestamp()), (info.ssrc, info.ntp.as_u64()));
        prop_assert_eq!(report.rtp_timestamp(), info.rtp_timestamp);
        prop_assert_eq!((report.packet_count(), report.octet_count()), (info.packet_count, info.octet_count));
        prop_assert!(report.report_blocks().map(|block| their_block(&block)).eq(blocks.iter().copied()));

        let builder = rtcp_types::SenderReport::builder(info.ssrc)
            .ntp_timestamp(info.ntp.as_u64())
            .rtp_timestamp(info.rtp_timestamp)
            .packet_count(info.packet_count)
            .octet_count(info.octet_count);
        let builder = blocks.iter().fold(builder, |builder, block| builder.add_report_block(block_builder(*block)));
        prop_assert_eq!(encode(&builder), compound);
    }

    #[test]
    fn receiver_reports(ssrc: u32, blocks in prop::collection::vec(any_block(), 0..32).prop_map(unsigned)) {
        let compound = write(|writer| writer.receiver_report(ssrc, blocks.iter().copied()));
        let builder = rtcp_types::ReceiverReport::builder(ssrc);
        let builder = blocks.iter().fold(builder, |builder, block| builder.add_report_block(block_builder(*block)));
        prop_assert_eq!(encode(&builder), compound);
    }

    #[test]
    fn source_descriptions(ssrc: u32, cname in "[ -~]{1,255}") {
        let compound = write(|writer| writer.sdes_cname(ssrc, &cname));
        let Packet::Sdes(sdes) = theirs(&compound) else { panic!("another type") };
        let chunk = sdes.chunks().next().expect("a chunk");
        let item = chunk.items().next().expect("an item");
        prop_assert_eq!((chunk.ssrc(), item.type_(), item.value()), (ssrc, 1, cname.as_bytes()));

        let item = rtcp_types::SdesItem::builder(1, &cname);
        let chunk = rtcp_types::SdesChunk::builder(ssrc).add_item(item);
        let encoded = encode(&rtcp_types::Sdes::builder().add_chunk(chunk));
        let RtcpPacket::Sdes(sdes) = ours(&encoded) else { panic!("another type") };
        prop_assert!(sdes.cnames().eq([(ssrc, cname.as_bytes())]));
    }

    #[test]
    fn goodbyes(ssrcs in prop::collection::vec(any::<u32>(), 0..32), reason in "[ -~]{1,255}") {
        let compound = write(|writer| writer.bye(ssrcs.iter().copied(), Some(&reason)));
        let Packet::Bye(bye) = theirs(&compound) else { panic!("another type") };
        prop_assert!(bye.ssrcs().eq(ssrcs.iter().copied()));
        prop_assert_eq!(bye.reason(), Some(reason.as_bytes()));

        let builder = ssrcs.iter().fold(rtcp_types::Bye::builder(), |builder, ssrc| builder.add_source(*ssrc));
        let encoded = encode(&builder.reason(&reason));
        let RtcpPacket::Bye(bye) = ours(&encoded) else { panic!("another type") };
        prop_assert!(bye.ssrcs().eq(ssrcs));
        prop_assert_eq!(bye.reason, Some(reason.as_bytes()));
    }

    #[test]
    fn nacks(lost in prop::collection::btree_set(any::<u16>(), 1..300)) {
        let compound = write(|writer| writer.nack(1, 2, lost.iter().copied()));
        let Packet::TransportFeedback(feedback) = theirs(&compound) else { panic!("another type") };
        prop_assert_eq!((feedback.sender_ssrc(), feedback.media_ssrc()), (1, 2));
        let nack: rtcp_types::Nack<'_> = feedback.parse_fci().expect("a NACK");
        prop_assert!(nack.entries().eq(lost.iter().copied()));

        let nack = rtcp_types::Nack::builder();
        let nack = lost.iter().fold(nack, |nack, sequence_number| nack.add_rtp_sequence(*sequence_number));
        let feedback = rtcp_types::TransportFeedback::builder(&nack).sender_ssrc(1).media_ssrc(2);
        prop_assert_eq!(encode(&feedback), compound);
    }

    #[test]
    fn key_frame_requests(sender_ssrc: u32, media_ssrc: u32, sequence_number: u8) {
        let compound = write(|writer| writer.pli(sender_ssrc, media_ssrc));
        let pli = rtcp_types::Pli::builder();
        let builder = rtcp_types::PayloadFeedback::builder(&pli).sender_ssrc(sender_ssrc).media_ssrc(media_ssrc);
        prop_assert_eq!(encode(&builder), compound);

        let entry = FirEntry { ssrc: media_ssrc, sequence_number };
        let compound = write(|writer| writer.fir(sender_ssrc, [entry]));
        let fir = rtcp_types::Fir::builder().add_ssrc(media_ssrc, sequence_number);
        let builder = rtcp_types::PayloadFeedback::builder(&fir).sender_ssrc(sender_ssrc);
        prop_assert_eq!(encode(&builder), compound);
    }

    #[test]
    fn transport_feedback(ticks in any_arrivals(), base: u16, feedback_count: u8) {
        let head = TwccHead { sender_ssrc: 1, media_ssrc: 2, base_sequence_number: base, feedback_count };
        let compound = write(|writer| writer.transport_feedback(head, instants(&ticks)).map(drop));
        let Packet::TransportFeedback(feedback) = theirs(&compound) else { panic!("another type") };
        let twcc: rtcp_types::Twcc<'_> = feedback.parse_fci().expect("feedback");
        prop_assert_eq!((twcc.base_sequence_number(), twcc.feedback_packet_count()), (base, feedback_count));
        let RtcpPacket::TransportFeedback(read) = ours(&compound) else { panic!("another type") };
        prop_assert_eq!(read.reference_time, twcc.reference_time());
        let (mut statuses, mut expected) = (Vec::new(), Vec::new());
        for packet in twcc.packets() {
            let (sequence_number, status) = packet.expect("a whole delta");
            statuses.push(status);
            expected.push((sequence_number, match status {
                rtcp_types::TwccPacketStatus::NotReceived => None,
                rtcp_types::TwccPacketStatus::Received { delta } => Some(delta),
            }));
        }
        prop_assert_eq!(expected.len(), ticks.len());
        let mut last = ticks[0].map_or(0, |first| first - first % 256);
        for (&(_, delta), &arrival) in expected.iter().zip(&ticks) {
            last += i64::from(delta.unwrap_or(0));
            prop_assert_eq!(delta.map(|_| last), arrival);
        }
        prop_assert!(read.packets().eq(expected.iter().copied()));

        // Their choice of chunks may differ from ours, and must mean the same.
        let twcc = rtcp_types::Twcc::builder(base, read.reference_time, feedback_count, &statuses, None);
        let encoded = encode(&rtcp_types::TransportFeedback::builder(&twcc).sender_ssrc(1).media_ssrc(2));
        let RtcpPacket::TransportFeedback(read) = ours(&encoded) else { panic!("another type") };
        prop_assert!(read.packets().eq(expected));
    }

    #[test]
    fn extended_reports(ssrc: u32, ntp: u64, answers in prop::collection::vec(any::<(u32, u32, u32)>(), 0..20)) {
        use rtcp_types::{DelaySinceLastReceiverReport as Dlrr, DelaySinceLastReceiverReportBlock as Answer};
        let compound = write(|writer| writer.receiver_reference_time(ssrc, NtpTime::from_u64(ntp)));
        let clock = rtcp_types::ReceiverReferenceTime::builder().ntp_timestamp(ntp);
        prop_assert_eq!(&encode(&rtcp_types::Xr::builder().sender_ssrc(ssrc).add_block(clock)), &compound);

        let ours_answers: Vec<_> = answers
            .iter()
            .map(|&(ssrc, last_rr, delay_since_last_rr)| DlrrBlock { ssrc, last_rr, delay_since_last_rr })
            .collect();
        let compound = write(|writer| writer.dlrr(ssrc, &ours_answers));
        let builder = ours_answers.iter().fold(Dlrr::builder(), |builder, answer| {
            let block = Answer::builder()
                .ssrc(answer.ssrc)
                .last_receiver_report(answer.last_rr)
                .delay_since_last_receiver_report_timestamp(answer.delay_since_last_rr);
            builder.add_block(block)
        });
        prop_assert_eq!(&encode(&rtcp_types::Xr::builder().sender_ssrc(ssrc).add_block(builder)), &compound);
        let RtcpPacket::ExtendedReport(report) = ours(&compound) else { panic!("another type") };
        let Some(XrBlock::Dlrr(read)) = report.blocks().next() else { panic!("another block") };
        prop_assert!(read.eq(ours_answers));
    }
}
