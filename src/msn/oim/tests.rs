//! Answers as a third-party server gives them, and what must be in requests for it to take them.

use super::*;
use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, Ticket};

const MAIL_DATA: &str = "<MD><E><I>0</I><IU>0</IU><O>0</O><OU>0</OU></E><Q><QTM>409600</QTM><QNM>204800</QNM></Q>\
    <M><T>11</T><S>6</S><RT>2026-11-25T19:13:32Z</RT><RS>0</RS><SZ>941</SZ><E>alice@example.com</E>\
    <I>BEED604A-1F36-4CB8-A592-518FF63A73A1</I><F>00000000-0000-0000-0000-000000000009</F><N>=?utf-8?B?QWxpY2U=?=</N></M>\
    <M><T>11</T><S>6</S><RS>0</RS><SZ>923</SZ><E>alice@example.com</E><I>2954B0BD-68E1-4673-9C55-2462716DE0D3</I>\
    <F>.!!OIM</F><N>=?utf-8?B?QWxpY2U= ?=</N></M></MD>";

const MESSAGE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope \
    xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\n\t<soap:Body>\n\t\t<GetMessageResponse \
    xmlns=\"http://www.hotmail.msn.com/ws/2004/09/oim/rsi\">\n\t\t\t<GetMessageResult>X-Message-Info: cwRBnLifKNE8dVZl==\r\n\
    Received: from OIM-SSI02.phx.gbl ([65.54.237.206]) by oim1-f1.hotmail.com with Microsoft SMTPSVC(6.0.3790.211);\r\n\
    \t Wed, 25 Nov 2026 11:13:32 -0800\r\n\
    From: =?utf-8?B?QWxpY2U=?= &lt;alice@example.com&gt;\r\nTo: bob@example.com\r\nSubject: \r\nX-OIMProxy: MSNMSGR\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\
    X-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}\r\n\
    X-OIM-Sequence-Num: 1\r\nMessage-ID: &lt;OIM-SSI02z@OIM-SSI02.phx.gbl&gt;\r\n\
    X-OriginalArrivalTime: 25 Nov 2026 19:13:32.0000 (UTC) FILETIME=[0F901600:01DD7D11]\r\n\
    Return-Path: ndr@oim.messenger.msn.com\r\n\r\nQXJlIHlvdSB0aGVyZT8g4pyTIG9mZmxpbmU=</GetMessageResult>\n\
    \t\t</GetMessageResponse>\n\t</soap:Body>\n</soap:Envelope>";

const LOCK_KEY_FAULT: &str = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\n<soap:Body>\n\
    <soap:Fault>\n<faultcode xmlns:q0=\"http://messenger.msn.com/ws/2004/09/oim/\">q0:AuthenticationFailed</faultcode>\n\
    <faultstring>Exception of type System.Web.Services.Protocols.SoapException was thrown.</faultstring>\n<detail>\n\
    <TweenerChallenge xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\">ct=1</TweenerChallenge>\n\
    <LockKeyChallenge xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\">1850937852</LockKeyChallenge>\n</detail>\n\
    </soap:Fault>\n</soap:Body>\n</soap:Envelope>";

fn product() -> Product {
    Product::published("PROD0112J1LW7%NB", Dialect::Msnp11).unwrap()
}

#[test]
fn fault_09_waiting_messages_are_read_from_notices_and_from_answers() {
    let both = ["BEED604A-1F36-4CB8-A592-518FF63A73A1", "2954B0BD-68E1-4673-9C55-2462716DE0D3"];
    let expected = Some(MailData::Messages(both.map(str::to_owned).to_vec()));
    assert_eq!(mail_data(MAIL_DATA), expected);
    let escaped = MAIL_DATA.replace('<', "&lt;").replace('>', "&gt;");
    let answer = format!(
        "<s:Envelope xmlns:s=\"x\"><s:Body><GetMetadataResponse xmlns=\"y\">{escaped}</GetMetadataResponse></s:Body></s:Envelope>"
    );
    assert_eq!(mail_data(&answer), expected);
    assert_eq!(mail_data("too-large"), Some(MailData::TooLarge));
    let none = "<MD><E><I>3</I><IU>1</IU></E><M><T>9</T><E>a@b.c</E><I>mail</I></M></MD>";
    assert_eq!(mail_data(none), Some(MailData::Messages(Vec::new())), "mail is no message");
    for odd in ["", "<MD", "hello", "<MD><M><I></I></M></MD>", "<MD><M><T>11</T><I>a b</I></M></MD>"] {
        assert!(!matches!(mail_data(odd), Some(MailData::Messages(ids)) if !ids.is_empty()), "{odd}");
    }
}

#[test]
fn fault_09_a_message_is_its_senders_words_with_their_own_time() {
    let message = OfflineMessage::parse("1", MESSAGE).unwrap();
    assert_eq!(message.sender.as_str(), "alice@example.com");
    assert_eq!(message.text, "Are you there? ✓ offline");
    assert_eq!(message.at, Some(1_795_634_012_000));
    assert_eq!((message.run.as_str(), message.sequence), ("{3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}", 1));
    // Plain text, another charset, several lines.
    let plain = MESSAGE
        .replace("base64", "8bit")
        .replace("QXJlIHlvdSB0aGVyZT8g4pyTIG9mZmxpbmU=", "one &amp; two\r\nthree\r\n");
    assert_eq!(OfflineMessage::parse("1", &plain).unwrap().text.replace('\r', ""), "one & two\nthree");
    for odd in ["", "<GetMessageResult/>", "<GetMessageResult>no mail</GetMessageResult>", LOCK_KEY_FAULT] {
        assert_eq!(OfflineMessage::parse("1", odd), None, "{odd}");
    }
}

#[test]
fn fault_09_leaving_a_message_answers_the_lock() {
    let product = product();
    let failure = leaving_result(LOCK_KEY_FAULT, &product).unwrap_err();
    assert_eq!(failure, LeavingFailure::LockKey("0c6981d9b8c9599dcf5fb8d6d9a726e4".into()));
    let (from, to) = (Email::parse("alice@example.com").unwrap(), Email::parse("bob@example.com").unwrap());
    let ticket = Ticket::new("t=a+b&p=");
    let text = "x".repeat(200);
    let leaving = Leaving {
        from: &from,
        name: "Alice",
        to: &to,
        text: &text,
        ticket: &ticket,
        product: &product,
        lock_key: "0c69",
        run: "{3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}",
        sequence: 2,
    };
    let SoapRequest { action, body } = leave(&leaving);
    assert_eq!(action, "http://messenger.msn.com/ws/2004/09/oim/Store");
    for part in [
        "<From memberName=\"alice@example.com\" friendlyName=\"=?utf-8?B?QWxpY2U=?=\"",
        "<To memberName=\"bob@example.com\"",
        "<Ticket passport=\"t=a+b&amp;p=\" appid=\"PROD0112J1LW7%NB\" lockkey=\"0c69\"",
        "<MessageNumber>2</MessageNumber>",
        "\r\nX-OIM-Run-Id: {3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}\r\nX-OIM-Sequence-Num: 2\r\n\r\neHh4",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    let content = body.split("\r\n\r\n").nth(1).unwrap().split('<').next().unwrap();
    assert!(content.split("\r\n").all(|line| line.len() <= 76));
    let taken = "<soap:Envelope><soap:Body><StoreResponse/></soap:Body></soap:Envelope>";
    assert_eq!(leaving_result(taken, &product), Ok(()));
    let refused = |code: &str| {
        let answer =
            format!("<a:Fault><faultcode>q0:{code}</faultcode><faultstring>no</faultstring></a:Fault>");
        leaving_result(&answer, &product).unwrap_err()
    };
    assert_eq!(refused("SenderThrottleLimitExceeded"), LeavingFailure::Throttled);
    assert_eq!(refused("SystemUnavailable"), LeavingFailure::Unavailable);
    assert_eq!(refused("AuthenticationFailed"), LeavingFailure::Ticket);
    assert_eq!(refused("InvalidContent"), LeavingFailure::Refused("no (InvalidContent)".into()));
}

proptest::proptest! {
    #[test]
    fn fault_09_any_answer_is_survived(text in "\\PC{0,200}") {
        let _ = (mail_data(&text), OfflineMessage::parse("1", &text), fault(&text), leaving_result(&text, &product()));
    }
}
